/* resp.c */
typedef int resp_is_empty;
