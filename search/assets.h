/* assets.h - the service's files, compiled in. */
#pragma once

#include "common/web.h"

extern const struct web_file asset_index_html, asset_page_css, asset_page_js,
    asset_openapi_yaml;
