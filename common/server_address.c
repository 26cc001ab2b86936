/* server_address.c - how many connections each address has. */
#include <string.h>

#include "common/server_internal.h"

static struct list *chain_of(struct server *server, const char *text)
{
    uint64_t hash = hash_bucket(&server->address_key, span_str(text));

    return &server->addresses[hash % SERVER_ADDRESSES];
}

/* The record of text, with one connection more. */
struct address *server_address_take(struct server *server, const char *text)
{
    struct list *chain = chain_of(server, text);
    struct address *address;

    for (struct list *n = chain->next; n != chain; n = n->next) {
        address = LIST_ENTRY(n, struct address, node);
        if (strcmp(address->text, text) == 0) {
            address->conns++;
            return address;
        }
    }
    address = mem_zalloc(MEM_CONN, sizeof(*address));
    address->conns = 1;
    memcpy(address->text, text, strlen(text) + 1);
    list_append(chain, &address->node);
    return address;
}

void server_address_drop(struct address *address)
{
    if (--address->conns)
        return;
    list_remove(&address->node);
    mem_free(address);
}
