/* web.c */
typedef int web_is_empty;
