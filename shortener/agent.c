/*
 * agent.c - see agent.h.
 *
 * Every redirect asks, so the agent is walked once: only where a letter begins
 * one of the words are those words compared.
 */
#include "shortener/agent.h"

/* In lower case, by their first letter. */
static const char *const words[26][12] = {
    ['a' - 'a'] = {"applebot", "archiver", "ahrefs"},
    ['b' - 'a'] = {"bot/", "bot;", "bot)", "bot ", "bot-", "bingpreview",
                   "baiduspider", "bufferbot"},
    ['c' - 'a'] = {"crawl", "cfnetwork-preview"},
    ['d' - 'a'] = {"discordbot", "duckduckbot", "datadog", "dotbot"},
    ['e' - 'a'] = {"embedly"},
    ['f' - 'a'] = {"facebookexternalhit", "facebookcatalog", "feedfetcher"},
    ['g' - 'a'] = {"googlebot", "google-read-aloud", "googleother",
                   "google-inspectiontool", "gptbot"},
    ['h' - 'a'] = {"headlesschrome", "hubspot"},
    ['i' - 'a'] = {"iframely", "ia_archiver"},
    ['l' - 'a'] = {"linkedinbot", "linkexpander", "lighthouse"},
    ['m' - 'a'] = {"mastodon/", "meta-externalagent", "monitor"},
    ['p' - 'a'] = {"pinterestbot", "pingdom", "preview", "prerender",
                   "petalbot"},
    ['q' - 'a'] = {"quora link preview"},
    ['r' - 'a'] = {"redditbot", "rogerbot"},
    ['s' - 'a'] = {"slackbot", "slack-imgproxy", "skypeuripreview", "spider",
                   "slurp", "semrush", "snapchat", "scrapy"},
    ['t' - 'a'] = {"twitterbot", "telegrambot", "tumblr/"},
    ['u' - 'a'] = {"uptime"},
    ['v' - 'a'] = {"validator", "vkshare"},
    ['w' - 'a'] = {"whatsapp", "w3c_"},
    ['y' - 'a'] = {"yandex", "yahoo! slurp"},
};

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool begins_with(struct span text, const char *word)
{
    size_t i = 0;

    while (word[i] && i < text.len && to_lower(text.ptr[i]) == word[i])
        i++;
    return word[i] == '\0';
}

static bool names_machine(struct span text)
{
    char first = to_lower(text.ptr[0]);

    if (first < 'a' || first > 'z')
        return false;
    for (const char *const *word = words[first - 'a']; *word; word++)
        if (begins_with(text, *word))
            return true;
    return false;
}

static bool has_machine_name(struct span agent)
{
    for (size_t i = 0; i < agent.len; i++)
        if (names_machine(span_skip(agent, i)))
            return true;
    return agent.len >= 3 &&
           begins_with(span_skip(agent, agent.len - 3), "bot");
}

/* "prefetch;prerender", "preview": anything but a visit. */
static bool says_prefetch(struct span purpose)
{
    struct span rest = purpose, item;

    while (span_cut(&rest, ';', &item)) {
        item = span_trim(item);
        if (span_eq_nocase(item, SPAN("prefetch")) ||
            span_eq_nocase(item, SPAN("prerender")) ||
            span_eq_nocase(item, SPAN("preview")))
            return true;
    }
    return false;
}

bool agent_is_bot(const struct agent *agent)
{
    return agent->user_agent.len == 0 || says_prefetch(agent->sec_purpose) ||
           says_prefetch(agent->purpose) || says_prefetch(agent->x_moz) ||
           has_machine_name(agent->user_agent);
}
