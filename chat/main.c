/* main.c - the chat: its options, its routes. */
#include "chat/chat.h"

#define USE "chat:use"

static struct chat_config config;

#define OPTION(member) offsetof(struct chat_config, member)

static const struct config_option options[] = {
    {"max-members", CONFIG_INTEGER, OPTION(max_members), "100000", 2, 1000000,
     "members of a room"},
    {"max-rooms", CONFIG_INTEGER, OPTION(max_rooms), "10000", 1, 100000,
     "rooms of a user"},
    {"large-room", CONFIG_INTEGER, OPTION(large_room), "256", 1, 1000000,
     "members from which on receipts are not told, and counts only on demand"},
    {"ping", CONFIG_DURATION, OPTION(ping_ms), "25s", 100, 600000,
     "between two pings of a connection"},
    {"max-per-caller", CONFIG_INTEGER, OPTION(per_caller), "0", 0, 1000000,
     "sockets of one caller at a worker; 0: no limit"},
    {"accept-rate", CONFIG_INTEGER, OPTION(accept_rate), "0", 0, 1000000,
     "sockets that are accepted a second; 0: no limit"},
    {"max-kept", CONFIG_BYTES, OPTION(max_kept), "256k", 65536, 67108864,
     "bytes that may wait for one connection"},
    {"max-rings", CONFIG_BYTES, OPTION(max_rings), "256M", 1048576,
     INT64_C(1) << 40, "bytes of all entries that a worker keeps in memory"},
    {0},
};

static const struct route routes[] = {
    {REQUEST_POST, "/v1/rooms", USE, create_room, ROUTE_WRITE},
    {REQUEST_POST, "/v1/dms", USE, create_direct, ROUTE_WRITE},
    {REQUEST_GET, "/v1/rooms", USE, list_rooms, 0},
    {REQUEST_GET, "/v1/rooms/{room}", USE, read_room, 0},
    {REQUEST_PATCH, "/v1/rooms/{room}", USE, change_room, ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/rooms/{room}", USE, archive_room, ROUTE_WRITE},
    {REQUEST_GET, "/v1/rooms/{room}/members", USE, list_members, 0},
    {REQUEST_PUT, "/v1/rooms/{room}/members/{user}", USE, put_member,
     ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/rooms/{room}/members/{user}", USE, delete_member,
     ROUTE_WRITE},
    {REQUEST_PUT, "/v1/rooms/{room}/bans/{user}", USE, put_ban, ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/rooms/{room}/bans/{user}", USE, delete_ban,
     ROUTE_WRITE},
    {REQUEST_PUT, "/v1/rooms/{room}/mutes/{user}", USE, put_mute, ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/rooms/{room}/mutes/{user}", USE, delete_mute,
     ROUTE_WRITE},
    {REQUEST_GET, "/v1/rooms/{room}/messages", USE, read_messages, 0},
    {REQUEST_POST, "/v1/rooms/{room}/messages", USE, post_message, ROUTE_WRITE},
    {REQUEST_PATCH, "/v1/rooms/{room}/messages/{seq}", USE, edit_message,
     ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/rooms/{room}/messages/{seq}", USE, delete_message,
     ROUTE_WRITE},
    {REQUEST_PUT, "/v1/rooms/{room}/messages/{seq}/reactions/{emoji}", USE,
     put_reaction, ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/rooms/{room}/messages/{seq}/reactions/{emoji}", USE,
     delete_reaction, ROUTE_WRITE},
    {REQUEST_GET, "/v1/rooms/{room}/events", USE, read_events, 0},
    {REQUEST_POST, "/v1/rooms/{room}/read", USE, post_read, ROUTE_WRITE},
    {REQUEST_POST, "/v1/rooms/{room}/delivered", USE, post_delivered,
     ROUTE_WRITE},
    {REQUEST_GET, "/v1/ws", NULL, connect_socket, 0},
    {0},
};

int main(int argc, char **argv)
{
    static const struct app_service service = {
        .name = "chat",
        .prefix = CHAT_PREFIX,
        .port = 8104,
        .routes = routes,
        .options = options,
        .config = &config,
        .secrets = chat_secrets,
        .open = chat_open,
        .on_secrets = chat_on_secrets,
        .on_epoch = chat_on_epoch,
        .close = chat_close,
    };

    return app_run(&service, argc, argv);
}
