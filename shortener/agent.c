/*
 * agent.c - see agent.h.
 *
 * One pass: three bytes tell whether any word can begin here, so that a
 * browser's agent is read once and almost never compared with anything.
 */
#include "shortener/agent.h"

/* Letters of either case, and what shares their low five bits. */
#define FOLD(c) ((unsigned char)(c)&31)
#define BIT(c) (UINT32_C(1) << FOLD(c))
#define MAX_WORDS 8

/* In lower case, by their first byte; '+' shares the low bits of 'k'. */
static const char *const words[32][MAX_WORDS + 1] = {
    [FOLD('a')] = {"adsbot", "ahrefs", "anthropic-ai", "apis-google",
                   "archive.org", "archiver"},
    [FOLD('b')] = {"bitlybot", "blackbox exporter", "botify", "bufferbot"},
    [FOLD('c')] = {"chatgpt-user", "checker", "check_http", "claude-user",
                   "cloudflare-", "crawl"},
    [FOLD('d')] = {"datadog", "detectify"},
    [FOLD('e')] = {"embedly"},
    [FOLD('f')] = {"facebookexternal", "facebookcatalog", "fetcher",
                   "freshrss"},
    [FOLD('g')] = {"google-", "googleother", "google favicon",
                   "google web preview", "gtmetrix"},
    [FOLD('h')] = {"headless", "hubspot"},
    [FOLD('i')] = {"ia_archiver", "iframely", "indexer"},
    [FOLD('k')] = {"kakaotalk-scrap", "+http"},
    [FOLD('l')] = {"lighthouse", "linkexpand", "linkcheck"},
    [FOLD('m')] = {"mastodon/", "mediapartners", "meta-external",
                   "microsoft office existence", "misskey/", "monitor"},
    [FOLD('n')] = {"nagios", "newrelic"},
    [FOLD('p')] = {"pagespeed", "phantomjs", "pingdom", "pleroma", "prefetch",
                   "prerender", "preview"},
    [FOLD('s')] = {"scanner", "scrap", "site24x7", "slack-", "slurp", "spider",
                   "statuscake", "synthetic"},
    [FOLD('u')] = {"unfurl", "uptime"},
    [FOLD('v')] = {"validator", "vkshare"},
    [FOLD('w')] = {"w3c_", "w3c-", "whatsapp/", "wordpress/"},
    [FOLD('y')] = {"yandexfavicons", "yandeximages", "yandexmetrika"},
    [FOLD('z')] = {"zabbix"},
};

/* Which bytes come second and third in them, and in "bot". */
static const struct {
    uint32_t second, third;
} starts[32] = {
    [FOLD('a')] = {BIT('d') | BIT('h') | BIT('n') | BIT('p') | BIT('r'),
                   BIT('c') | BIT('i') | BIT('r') | BIT('s') | BIT('t')},
    [FOLD('b')] = {BIT('i') | BIT('l') | BIT('o') | BIT('u'),
                   BIT('a') | BIT('f') | BIT('t')},
    [FOLD('c')] = {BIT('h') | BIT('l') | BIT('r'),
                   BIT('a') | BIT('e') | BIT('o')},
    [FOLD('d')] = {BIT('a') | BIT('e'), BIT('t')},
    [FOLD('e')] = {BIT('m'), BIT('b')},
    [FOLD('f')] = {BIT('a') | BIT('e') | BIT('r'),
                   BIT('c') | BIT('e') | BIT('t')},
    [FOLD('g')] = {BIT('o') | BIT('t'), BIT('m') | BIT('o')},
    [FOLD('h')] = {BIT('e') | BIT('u'), BIT('a') | BIT('b')},
    [FOLD('i')] = {BIT('a') | BIT('f') | BIT('n'),
                   BIT('_') | BIT('d') | BIT('r')},
    [FOLD('k')] = {BIT('a') | BIT('h'), BIT('k') | BIT('t')},
    [FOLD('l')] = {BIT('i'), BIT('g') | BIT('n')},
    [FOLD('m')] = {BIT('a') | BIT('e') | BIT('i') | BIT('o'),
                   BIT('c') | BIT('d') | BIT('n') | BIT('s') | BIT('t')},
    [FOLD('n')] = {BIT('a') | BIT('e'), BIT('g') | BIT('w')},
    [FOLD('p')] = {BIT('a') | BIT('h') | BIT('i') | BIT('l') | BIT('r'),
                   BIT('a') | BIT('e') | BIT('g') | BIT('n')},
    [FOLD('s')] = {BIT('c') | BIT('i') | BIT('l') | BIT('p') | BIT('t') |
                       BIT('y'),
                   BIT('a') | BIT('i') | BIT('n') | BIT('r') | BIT('t') |
                       BIT('u')},
    [FOLD('u')] = {BIT('n') | BIT('p'), BIT('f') | BIT('t')},
    [FOLD('v')] = {BIT('a') | BIT('k'), BIT('l') | BIT('s')},
    [FOLD('w')] = {BIT('3') | BIT('h') | BIT('o'),
                   BIT('a') | BIT('c') | BIT('r')},
    [FOLD('y')] = {BIT('a'), BIT('n')},
    [FOLD('z')] = {BIT('a'), BIT('b')},
};

static int to_lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool begins_with(struct span text, const char *word)
{
    size_t i = 0;

    while (word[i] && i < text.len && to_lower(text.ptr[i]) == word[i])
        i++;
    return word[i] == '\0';
}

/* "bot" that ends a word, as in Googlebot; but Cubot makes telephones. */
static bool ends_in_bot(struct span agent, size_t at)
{
    struct span rest = span_skip(agent, at);

    if (!begins_with(rest, "bot"))
        return false;
    rest = span_skip(rest, begins_with(rest, "bots") ? 4 : 3);
    int next = rest.len > 0 ? to_lower(rest.ptr[0]) : 0;
    if (next >= 'a' && next <= 'z')
        return false;
    return at < 2 || !begins_with(span_skip(agent, at - 2), "cu");
}

static bool names_machine(struct span agent, size_t at)
{
    struct span rest = span_skip(agent, at);
    const char *const *word = words[FOLD(agent.ptr[at])];

    for (; *word; word++)
        if (begins_with(rest, *word))
            return true;
    return ends_in_bot(agent, at);
}

static bool has_machine_name(struct span agent)
{
    const char *text = agent.ptr;

    for (size_t i = 0; i + 2 < agent.len; i++) {
        unsigned first = FOLD(text[i]);
        if (starts[first].second >> FOLD(text[i + 1]) &
                starts[first].third >> FOLD(text[i + 2]) & 1 &&
            names_machine(agent, i))
            return true;
    }
    return false;
}

/* "prefetch;prerender", "preview", in any case: anything but a visit. */
static bool says_prefetch(struct span purpose)
{
    struct span rest = purpose;
    struct span item;

    while (span_cut(&rest, ';', &item)) {
        item = span_trim(item);
        if (span_eq_nocase(item, SPAN("prefetch")) ||
            span_eq_nocase(item, SPAN("prerender")) ||
            span_eq_nocase(item, SPAN("preview")))
            return true;
    }
    return false;
}

bool agent_is_prefetch(const struct agent *agent)
{
    return says_prefetch(agent->sec_purpose) || says_prefetch(agent->purpose) ||
           says_prefetch(agent->x_moz) || says_prefetch(agent->x_purpose);
}

bool agent_is_bot(const struct agent *agent)
{
    return span_trim(agent->user_agent).len == 0 || agent_is_prefetch(agent) ||
           has_machine_name(agent->user_agent);
}
