/* assets.h - the service's files, compiled in. */
#pragma once

#include "common/web.h"

extern const struct web_file asset_openapi_yaml;
