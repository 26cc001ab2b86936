/* http.c */
typedef int http_is_empty;
