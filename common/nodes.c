/* nodes.c */
typedef int nodes_is_empty;
