/* main.c - the chat: its options, its routes. */
#include "chat/assets.h"
#include "chat/bodies.h"
#include "chat/chat.h"
#include "chat/sessions.h"

static struct chat_config config;

#define OPTION(member) offsetof(struct chat_config, member)

static const struct config_option options[] = {
    {"max-members", CONFIG_INTEGER, OPTION(max_members), "100000", 2, 1000000,
     "members of a room"},
    {"max-rooms", CONFIG_INTEGER, OPTION(max_rooms), "10000", 1, 100000,
     "rooms of a user"},
    {"large-room", CONFIG_INTEGER, OPTION(large_room), "256", 1, 1000000,
     "members beyond which receipts and typing are not told, and counts late"},
    {"session", CONFIG_DURATION, OPTION(session_ms), "30d", 1000,
     INT64_C(31536000000), "that a session lasts"},
    {"ping", CONFIG_DURATION, OPTION(ping_ms), "25s", 100, 600000,
     "between two pings of a connection"},
    {"max-per-caller", CONFIG_INTEGER, OPTION(per_caller), "0", 0, 1000000,
     "sockets of one caller at a worker; 0: no limit"},
    {"accept-rate", CONFIG_INTEGER, OPTION(accept_rate), "0", 0, 1000000,
     "sockets that are accepted a second; 0: no limit"},
    {"user-connect-rate", CONFIG_INTEGER, OPTION(user_connect_rate), "0", 0,
     1000000, "sockets that one user opens a second; 0: no limit"},
    {"address-connect-rate", CONFIG_INTEGER, OPTION(address_connect_rate), "0",
     0, 1000000, "sockets that one address opens a second; 0: no limit"},
    {"join-rate", CONFIG_INTEGER, OPTION(join_rate), "20", 0, 1000000,
     "rooms that one user joins, or puts others into, a second; 0: no limit"},
    {"max-kept", CONFIG_BYTES, OPTION(max_kept), "256k", 65536, 67108864,
     "bytes that may wait for one connection"},
    {"encrypt-bodies", CONFIG_STRING, OPTION(encrypt_bodies), NULL, 1, 1024,
     "JSON file with the keys that texts are sealed with in Redis"},
    {"max-rings", CONFIG_BYTES, OPTION(max_rings), "256M", 1048576,
     INT64_C(1) << 40, "bytes of all entries that a worker keeps in memory"},
    {0},
};

/* A session's token must still hold. */
#define GUARD_BY(guard, name)                             \
    static void in_##name(struct request *req, void *arg) \
    {                                                     \
        guard(req, arg, name);                            \
    }
#define GUARD(name) GUARD_BY(session_guard, name)
GUARD(export_user)
GUARD_BY(session_guard_anew, delete_user)
GUARD(create_room)
GUARD(create_direct)
GUARD(list_rooms)
GUARD(read_room)
GUARD(change_room)
GUARD(archive_room)
GUARD(list_members)
GUARD(put_member)
GUARD(delete_member)
GUARD(put_ban)
GUARD(delete_ban)
GUARD(put_mute)
GUARD(delete_mute)
GUARD(read_messages)
GUARD(post_message)
GUARD(edit_message)
GUARD(delete_message)
GUARD(put_reaction)
GUARD(delete_reaction)
GUARD(read_events)
GUARD(post_read)
GUARD(post_delivered)
GUARD(connect_socket)
GUARD_BY(session_guard_anew, close_session)
GUARD(search_messages)

#define PAGE_FILE(name)                                     \
    static void page_##name(struct request *req, void *arg) \
    {                                                       \
        (void)arg;                                          \
        web_reply_file(req, &asset_##name);                 \
    }
PAGE_FILE(link_js)
PAGE_FILE(page_css)
PAGE_FILE(page_js)
PAGE_FILE(panels_js)
PAGE_FILE(screen_js)
PAGE_FILE(state_js)
PAGE_FILE(view_js)

static const struct route routes[] = {
    {REQUEST_POST, "/v1/users", NULL, register_user, ROUTE_WRITE},
    {REQUEST_GET, "/v1/users/me/export", "chat:use", in_export_user, 0},
    {REQUEST_DELETE, "/v1/users/me", "chat:use", in_delete_user, ROUTE_WRITE},
    {REQUEST_POST, "/v1/sessions", NULL, open_session, ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/sessions/current", "chat:use", in_close_session, 0},
    {REQUEST_POST, "/v1/rooms", "chat:use", in_create_room, ROUTE_WRITE},
    {REQUEST_POST, "/v1/dms", "chat:use", in_create_direct, ROUTE_WRITE},
    {REQUEST_GET, "/v1/rooms", "chat:use", in_list_rooms, 0},
    {REQUEST_GET, "/v1/rooms/{room}", "chat:use", in_read_room, 0},
    {REQUEST_PATCH, "/v1/rooms/{room}", "chat:use", in_change_room,
     ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/rooms/{room}", "chat:use", in_archive_room,
     ROUTE_WRITE},
    {REQUEST_GET, "/v1/rooms/{room}/members", "chat:use", in_list_members, 0},
    {REQUEST_PUT, "/v1/rooms/{room}/members/{user}", "chat:use", in_put_member,
     ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/rooms/{room}/members/{user}", "chat:use",
     in_delete_member, ROUTE_WRITE},
    {REQUEST_PUT, "/v1/rooms/{room}/bans/{user}", "chat:use", in_put_ban,
     ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/rooms/{room}/bans/{user}", "chat:use", in_delete_ban,
     ROUTE_WRITE},
    {REQUEST_PUT, "/v1/rooms/{room}/mutes/{user}", "chat:use", in_put_mute,
     ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/rooms/{room}/mutes/{user}", "chat:use",
     in_delete_mute, ROUTE_WRITE},
    {REQUEST_GET, "/v1/rooms/{room}/messages", "chat:use", in_read_messages, 0},
    {REQUEST_POST, "/v1/rooms/{room}/messages", "chat:use", in_post_message,
     ROUTE_WRITE},
    {REQUEST_PATCH, "/v1/rooms/{room}/messages/{seq}", "chat:use",
     in_edit_message, ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/rooms/{room}/messages/{seq}", "chat:use",
     in_delete_message, ROUTE_WRITE},
    {REQUEST_PUT, "/v1/rooms/{room}/messages/{seq}/reactions/{emoji}",
     "chat:use", in_put_reaction, ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/rooms/{room}/messages/{seq}/reactions/{emoji}",
     "chat:use", in_delete_reaction, ROUTE_WRITE},
    {REQUEST_GET, "/v1/rooms/{room}/events", "chat:use", in_read_events, 0},
    {REQUEST_POST, "/v1/rooms/{room}/read", "chat:use", in_post_read,
     ROUTE_WRITE},
    {REQUEST_POST, "/v1/rooms/{room}/delivered", "chat:use", in_post_delivered,
     ROUTE_WRITE},
    {REQUEST_GET, "/v1/search", "chat:use", in_search_messages, 0},
    {REQUEST_GET, "/v1/ws", NULL, in_connect_socket, 0},
    {REQUEST_GET, "/link.js", NULL, page_link_js, 0},
    {REQUEST_GET, "/page.css", NULL, page_page_css, 0},
    {REQUEST_GET, "/page.js", NULL, page_page_js, 0},
    {REQUEST_GET, "/panels.js", NULL, page_panels_js, 0},
    {REQUEST_GET, "/screen.js", NULL, page_screen_js, 0},
    {REQUEST_GET, "/state.js", NULL, page_state_js, 0},
    {REQUEST_GET, "/view.js", NULL, page_view_js, 0},
    {0},
};

static bool check_files(char *reason, size_t reason_size)
{
    struct bodies *bodies =
        config.encrypt_bodies
            ? bodies_load(config.encrypt_bodies, reason, reason_size)
            : NULL;
    bool good = bodies || !config.encrypt_bodies;

    bodies_destroy(bodies);
    return good;
}

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
        .token_secret = CHAT_SECRET_TOKENS,
        .open = chat_open,
        .on_secrets = chat_on_secrets,
        .on_epoch = chat_on_epoch,
        .close = chat_close,
        .check_files = check_files,
        .openapi = &asset_openapi_yaml,
        .page = &asset_index_html,
    };

    return app_run(&service, argc, argv);
}
