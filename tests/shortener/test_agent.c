/* test_agent.c - who is a person, and who only looks at the link. */
#include <ctype.h>
#include <stdio.h>

#include "shortener/agent.h"
#include "tests/test.h"

static const char chrome[] =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like "
    "Gecko) Chrome/126.0.0.0 Safari/537.36";

static bool is_bot(const char *user_agent)
{
    return agent_is_bot(&(struct agent){.user_agent = span_str(user_agent)});
}

static const char *const people[] = {
    chrome,
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 "
    "Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) "
    "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 "
    "Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, "
    "like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like "
    "Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/110.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36",
    "Mozilla/5.0 (Linux; Android 12; SM-G991B; wv) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Version/4.0 Chrome/110.0.0.0 Mobile "
    "Safari/537.36 [FB_IAB/FB4A;FBAV/405.0.0.23.72;]",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) "
    "AppleWebKit/605.1.15 Mobile/20G75 Snapchat/12.50.0.33",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) "
    "AppleWebKit/605.1.15 Mobile/20G75 [Pinterest/iOS]",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/124.0.0.0 "
    "YaBrowser/24.6.0 Yowser/2.5 Safari/537.36",
    "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
    "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80 (S60; SymbOS; Opera "
    "Mobi/23.348; U; en) Presto/2.5.25 Version/10.54",
    "Lynx/2.9.0dev.12 libwww-FM/2.14 SSL-MM/1.4.1",
    "curl/8.5.0",
    "Wget/1.21.3",
    "HTTPie/3.2.2",
    "python-requests/2.31.0",
    "Go-http-client/1.1",
    "okhttp/4.12.0",
    "Bottles/51", /* bot inside a word */
    "Abbotsford/1",
    "b",
    "bo",
    "sp",
};

static void test_agent_browsers_and_tools_are_people(void **state)
{
    (void)state;

    for (size_t i = 0; i < COUNT(people); i++)
        if (is_bot(people[i]))
            fail_msg("taken for a bot: %s", people[i]);
}

static const char *const bots[] = {
    "",
    " \t",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slack-ImgProxy (+https://api.slack.com/robots)",
    "Slackbot 1.0",
    "Twitterbot/1.0",
    "facebookexternalhit/1.1 (+http://www.facebook.com/)",
    "facebookexternalhit/1.1;line-poker/1.0",
    "facebookcatalog/1.0",
    "meta-externalagent/1.1",
    "WhatsApp/2.23.18.79 A",
    "TelegramBot (like TwitterBot)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://google.com)",
    "Googlebot-Image/1.0",
    "AdsBot-Google",
    "Mediapartners-Google",
    "FeedFetcher-Google",
    "Google-InspectionTool/1.0",
    "Mozilla/5.0 AppleWebKit/537.36 (compatible; bingbot/2.0)",
    "Mozilla/5.0 (Windows NT 6.1) AppleWebKit/534 BingPreview/1.0b",
    "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Applebot/0.1",
    "Mozilla/5.0 (Windows NT 6.1) SkypeUriPreview Preview/0.5",
    "Pinterestbot/1.0",
    "redditbot/1.0",
    "Snap URL Preview Service",
    "http.rb/5.1.1 (Mastodon/4.2.0)",
    "vkShare",
    "Iframely/1.3.1",
    "Embedly/0.2",
    "kakaotalk-scrap/1.0",
    "GPTBot/1.2",
    "ChatGPT-User/1.0",
    "ClaudeBot/1.0",
    "CCBot/2.0",
    "Bytespider",
    "Baiduspider",
    "Sogou web spider/4.0",
    "Mozilla/5.0 (compatible; Yahoo! Slurp)",
    "YandexImages/3.0",
    "ia_archiver",
    "Mozilla/5.0 (compatible; archive.org_bot)",
    "UptimeRobot/2.0",
    "Pingdom.com_bot_version_1.4",
    "Site24x7",
    "Blackbox Exporter/0.24.0",
    "check_http/v2.3.3 (nagios-plugins)",
    "Zabbix",
    "W3C_Validator/1.3",
    "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/126.0.0.0",
    "Mozilla/5.0 (Linux) Chrome/94 Chrome-Lighthouse",
    "Scrapy/2.11",
    "MyCrawler",
    "my-SPIDER",
    "link-checker 3",
    "something +http://example.com",
    "bot",
    "a bot",
    "bots",
    "BOT/1",
    "x_bot",
    "Robot.txt",
    "curl/8.5.0 bot",
};

static void test_agent_previewers_and_crawlers_are_bots(void **state)
{
    (void)state;

    for (size_t i = 0; i < COUNT(bots); i++)
        if (!is_bot(bots[i]))
            fail_msg("taken for a person: %s", bots[i]);
}

/* The masks that select where a word may begin know all of them. */
static const char *const words[] = {
    "+http",
    "adsbot",
    "ahrefs",
    "anthropic-ai",
    "apis-google",
    "archive.org",
    "archiver",
    "bitlybot",
    "blackbox exporter",
    "botify",
    "bufferbot",
    "chatgpt-user",
    "check_http",
    "checker",
    "claude-user",
    "cloudflare-",
    "crawl",
    "datadog",
    "detectify",
    "embedly",
    "facebookcatalog",
    "facebookexternal",
    "fetcher",
    "freshrss",
    "google favicon",
    "google web preview",
    "google-",
    "googleother",
    "gtmetrix",
    "headless",
    "hubspot",
    "ia_archiver",
    "iframely",
    "indexer",
    "kakaotalk-scrap",
    "lighthouse",
    "linkcheck",
    "linkexpand",
    "mastodon/",
    "mediapartners",
    "meta-external",
    "microsoft office existence",
    "misskey/",
    "monitor",
    "nagios",
    "newrelic",
    "pagespeed",
    "phantomjs",
    "pingdom",
    "pleroma",
    "prefetch",
    "prerender",
    "preview",
    "scanner",
    "scrap",
    "site24x7",
    "slack-",
    "slurp",
    "spider",
    "statuscake",
    "synthetic",
    "unfurl",
    "uptime",
    "validator",
    "vkshare",
    "w3c-",
    "w3c_",
    "whatsapp/",
    "wordpress/",
    "yandexfavicons",
    "yandeximages",
    "yandexmetrika",
    "zabbix",
};

static void test_agent_finds_each_of_its_words(void **state)
{
    (void)state;

    for (size_t i = 0; i < COUNT(words); i++) {
        char text[64];
        snprintf(text, sizeof(text), "Mozilla %s", words[i]);
        for (size_t k = 0; k < 2; k++) {
            if (!is_bot(text))
                fail_msg("not found: %s", text);
            for (char *c = text; *c; c++)
                *c = (char)toupper((unsigned char)*c);
        }
    }
}

static void test_agent_without_a_user_agent_is_a_bot(void **state)
{
    (void)state;

    assert_true(agent_is_bot(&(struct agent){0}));
}

static void test_agent_prefetches_are_bots(void **state)
{
    static const struct {
        const char *value;
        bool bot;
    } cases[] = {
        {"prefetch", true},
        {"Prefetch", true},
        {"prefetch;prerender", true},
        {"prefetch; anonymous-client-ip", true},
        {"prerender", true},
        {"preview", true},
        {" preview ", true},
        {"x;prefetch", true},
        {"", false},
        {"visit", false},
        {"prefetcher", false},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span agent = span_str(chrome);
        struct span value = span_str(cases[i].value);
        const struct agent each[] = {
            {.user_agent = agent, .sec_purpose = value},
            {.user_agent = agent, .purpose = value},
            {.user_agent = agent, .x_moz = value},
            {.user_agent = agent, .x_purpose = value},
        };
        for (size_t k = 0; k < COUNT(each); k++)
            assert_int_equal(agent_is_bot(&each[k]), cases[i].bot);
    }
}

/* Each byte in its own allocation's end: a read past it is seen. */
static void test_agent_reads_no_byte_too_many(void **state)
{
    static const char text[] = "Mozilla/5.0 preview Googlebot";
    (void)state;

    for (size_t len = 1; len < sizeof(text); len++) {
        char *copy = test_malloc(len);
        memcpy(copy, text, len);
        struct agent agent = {.user_agent = {copy, len}};
        assert_int_equal(agent_is_bot(&agent), len >= 19);
        test_free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agent_browsers_and_tools_are_people),
        cmocka_unit_test(test_agent_previewers_and_crawlers_are_bots),
        cmocka_unit_test(test_agent_finds_each_of_its_words),
        cmocka_unit_test(test_agent_without_a_user_agent_is_a_bot),
        cmocka_unit_test(test_agent_prefetches_are_bots),
        cmocka_unit_test(test_agent_reads_no_byte_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
