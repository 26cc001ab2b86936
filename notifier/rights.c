/* rights.c - see rights.h. */
#include <jansson.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "notifier/rights.h"

#define PUBLISH SPAN("notify:publish")
#define SUBSCRIBE SPAN("notify:subscribe")
#define DUMP_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY)

/* Each is more than the one before. */
enum reads { READS_NOTHING, READS_ITS_OWN, READS_PUBLIC, READS_ALL, READS };

/* One piece of memory: what is pointed to lies behind. */
struct rights {
    unsigned refs; /* 0: one of shared[] */
    bool publishes_all;
    enum reads reads;
    struct span scopes; /* narrowed ones, of both kinds */
    struct span payload;
    struct selector **selectors; /* for publishing, then for reading */
    size_t publish_count, count;
};

/* Of those who are held to no topics. */
static const struct rights shared[][READS] = {
    {{.reads = READS_NOTHING},
     {.reads = READS_ITS_OWN},
     {.reads = READS_PUBLIC},
     {.reads = READS_ALL}},
    {{.publishes_all = true, .reads = READS_NOTHING},
     {.publishes_all = true, .reads = READS_ITS_OWN},
     {.publishes_all = true, .reads = READS_PUBLIC},
     {.publishes_all = true, .reads = READS_ALL}},
};

/* What is found before the rights' size is known. */
struct plan {
    bool publishes_all;
    enum reads reads;
    struct buf text; /* scopes, then the payload */
    size_t scopes_len;
    struct selector *selectors[RIGHTS_MAX_SELECTORS];
    size_t publish_count, count, states;
};

static void raise_reads(struct plan *plan, enum reads reads)
{
    if (plan->reads < reads)
        plan->reads = reads;
}

/* ---- scopes */

static void read_scope(struct plan *plan, struct span scope)
{
    bool is_admin = span_eq(scope, SPAN("admin"));
    bool publishes = span_has_prefix(scope, SPAN("notify:publish:"));
    bool reads = span_has_prefix(scope, SPAN("notify:subscribe:"));

    if (is_admin || span_eq(scope, PUBLISH))
        plan->publishes_all = true;
    if (is_admin || span_eq(scope, SUBSCRIBE))
        raise_reads(plan, READS_ALL);
    if (reads)
        raise_reads(plan, READS_ITS_OWN);
    if (publishes || reads) {
        buf_append(&plan->text, scope);
        buf_append(&plan->text, SPAN(" "));
    }
}

static void read_scopes(struct plan *plan, const struct auth_identity *identity)
{
    struct span rest = identity->scopes;
    struct span scope;

    if (identity->all_but_admin) {
        plan->publishes_all = true;
        plan->reads = READS_ALL;
    }
    while (span_cut(&rest, ' ', &scope))
        read_scope(plan, scope);
    plan->scopes_len = plan->text.len;
}

/* ---- the claim */

static void drop_selectors(struct plan *plan, size_t from)
{
    while (plan->count > from) {
        plan->count--;
        plan->states -= selector_states(plan->selectors[plan->count]);
        selector_unref(plan->selectors[plan->count]);
    }
}

static const char *add_selector(struct plan *plan, struct span text)
{
    struct selector *selector;

    if (plan->count == RIGHTS_MAX_SELECTORS)
        return "the mercure claim has more than 128 topic selectors";
    enum selector_verdict verdict = selector_create(text, &selector);
    if (verdict != SELECTOR_OK)
        return selector_verdict_text(verdict);
    plan->selectors[plan->count++] = selector;
    plan->states += selector_states(selector);
    if (plan->states > RIGHTS_MAX_STATES)
        return "the mercure claim's templates need more than 1024 states";
    return NULL;
}

/* Missing, it is as good as empty. */
static const char *read_list(struct plan *plan, const json_t *list, bool *all)
{
    size_t before = plan->count;
    const char *wrong = NULL;

    if (!list || json_is_null(list))
        return NULL;
    if (!json_is_array(list))
        return "publish and subscribe of the mercure claim must be arrays";
    for (size_t i = 0; i < json_array_size(list) && !wrong; i++) {
        const json_t *item = json_array_get(list, i);
        struct span text = {json_string_value(item), json_string_length(item)};
        if (!text.ptr)
            return "topic selectors of the mercure claim must be strings";
        if (span_eq(text, SPAN("*")))
            *all = true;
        else
            wrong = add_selector(plan, text);
    }
    if (*all && !wrong)
        drop_selectors(plan, before);
    return wrong;
}

static void read_payload(struct plan *plan, const json_t *payload)
{
    if (!payload || json_is_null(payload))
        return;
    size_t len = json_dumpb(payload, NULL, 0, DUMP_FLAGS);
    json_dumpb(payload, buf_reserve(&plan->text, len), len, DUMP_FLAGS);
    buf_commit(&plan->text, len);
}

static const char *read_members(struct plan *plan, const json_t *claim)
{
    bool reads_all = false;
    const char *wrong = read_list(plan, json_object_get(claim, "publish"),
                                  &plan->publishes_all);

    plan->publish_count = plan->count;
    if (!wrong)
        wrong =
            read_list(plan, json_object_get(claim, "subscribe"), &reads_all);
    raise_reads(plan, reads_all ? READS_ALL : READS_PUBLIC);
    read_payload(plan, json_object_get(claim, "payload"));
    return wrong;
}

static const char *read_claim(struct plan *plan, struct span text)
{
    struct json_errors errors;
    json_t *claim;

    json_errors_init(&errors);
    if (json_read(text, &claim, &errors) < 0)
        return "the mercure claim nests too deep or has a number too big";
    const char *wrong = read_members(plan, claim);
    json_decref(claim);
    return wrong;
}

/* ---- the rights */

static struct rights *make(const struct plan *plan)
{
    size_t size = plan->count * sizeof(struct selector *);

    if (size + plan->text.len == 0)
        return (struct rights *)(uintptr_t)&shared[plan->publishes_all]
                                                  [plan->reads];
    struct rights *rights =
        mem_alloc(MEM_CACHE, sizeof(*rights) + size + plan->text.len);
    struct selector **selectors = (struct selector **)(rights + 1);
    char *text = (char *)selectors + size;
    if (plan->count > 0)
        memcpy(selectors, plan->selectors, size);
    if (plan->text.len > 0)
        memcpy(text, plan->text.ptr, plan->text.len);
    struct span all = {text, plan->text.len};
    *rights = (struct rights){.refs = 1,
                              .publishes_all = plan->publishes_all,
                              .reads = plan->reads,
                              .scopes = {text, plan->scopes_len},
                              .selectors = selectors,
                              .publish_count = plan->publish_count,
                              .count = plan->count};
    if (all.len > plan->scopes_len)
        rights->payload = span_skip(all, plan->scopes_len);
    return rights;
}

const char *rights_create(const struct auth_identity *identity,
                          struct rights **out)
{
    struct plan plan = {.publishes_all = false};
    const char *wrong = NULL;

    buf_init(&plan.text, MEM_CACHE);
    read_scopes(&plan, identity);
    if (identity->mercure.ptr)
        wrong = read_claim(&plan, identity->mercure);
    if (wrong)
        drop_selectors(&plan, 0);
    else
        *out = make(&plan);
    buf_deinit(&plan.text);
    return wrong;
}

struct rights *rights_ref(struct rights *rights)
{
    if (rights->refs > 0)
        rights->refs++;
    return rights;
}

void rights_unref(struct rights *rights)
{
    if (!rights || rights->refs == 0 || --rights->refs > 0)
        return;
    for (size_t i = 0; i < rights->count; i++)
        selector_unref(rights->selectors[i]);
    mem_free(rights);
}

static bool is_selected(const struct rights *rights, size_t from, size_t to,
                        struct span topic)
{
    for (size_t i = from; i < to; i++)
        if (selector_matches(rights->selectors[i], topic))
            return true;
    return false;
}

/* To token_scope_allows() a topic without a pointer would be no topic. */
static bool is_in_scope(const struct rights *rights, struct span wanted,
                        struct span topic)
{
    return token_scope_allows(rights->scopes, wanted,
                              topic.len > 0 ? topic : SPAN(""));
}

bool rights_may_publish(const struct rights *rights, const struct span *topics,
                        size_t count)
{
    if (rights->publishes_all)
        return true;
    for (size_t i = 0; i < count; i++)
        if (!is_in_scope(rights, PUBLISH, topics[i]) &&
            !is_selected(rights, 0, rights->publish_count, topics[i]))
            return false;
    return count > 0;
}

bool rights_may_subscribe(const struct rights *rights)
{
    return rights->reads != READS_NOTHING;
}

bool rights_may_read(const struct rights *rights, const struct span *topics,
                     size_t count, bool is_private)
{
    if (rights->reads == READS_ALL ||
        (rights->reads == READS_PUBLIC && !is_private))
        return true;
    for (size_t i = 0; i < count; i++)
        if (is_in_scope(rights, SUBSCRIBE, topics[i]) ||
            is_selected(rights, rights->publish_count, rights->count,
                        topics[i]))
            return true;
    return false;
}

struct span rights_payload(const struct rights *rights)
{
    return rights->payload;
}
