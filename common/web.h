/* web.h - pages: static files compiled in, and small pages made here. */
#pragma once

#include "common/buf.h"
#include "common/request.h"

/* Everything from the service itself, nothing inline, framed by nobody. */
#define WEB_POLICY                                                \
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; " \
    "form-action 'self'; frame-ancestors 'none'"

/* A file of the binary; made by the build (see embed in meson.build). */
struct web_file {
    const char *type; /* content type */
    struct span bytes;
};

/* web/lab.css and lab.js, which all services share. */
extern const struct web_file web_lab_css, web_lab_js;

/* 200, or 304 when the client has it (a strong ETag tells). */
void web_reply_file(struct request *req, const struct web_file *file);

/* 200 (or another status) and html with the policy above, never cached. */
void web_reply_html(struct request *req, int status, struct span html);

/* Text as HTML's content or an attribute's value. */
void web_escape(struct buf *out, struct span text);

void web_problem_page(struct buf *out, int status, const char *title,
                      const char *detail);
