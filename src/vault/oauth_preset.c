/* What differs between providers. */
#include "oauth.h"

#define NO_DEVICE_GOOGLE                                                                     \
    "Google gives no mail scope to a device login: log in with a browser (without --device)" \
    ", or use a service account with grant: jwt"
#define NO_DEVICE_YAHOO "Yahoo knows no device login: log in with a browser (without --device)"

static const struct oauth_preset presets[] = {
    [OAUTH_GENERIC] =
        {
            .redirect = SPAN_INIT("http://127.0.0.1"),
            .basic = true,
        },
    [OAUTH_MICROSOFT] =
        {
            .token = SPAN_INIT("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"),
            .device =
                SPAN_INIT("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode"),
            .authorize =
                SPAN_INIT("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize"),
            .scope = SPAN_INIT("https://outlook.office.com/SMTP.Send offline_access"),
            .client_scope = SPAN_INIT("https://outlook.office365.com/.default"),
            .tenant = SPAN_INIT("common"),
            .redirect = SPAN_INIT("http://localhost"),
        },
    [OAUTH_GOOGLE] =
        {
            .token = SPAN_INIT("https://oauth2.googleapis.com/token"),
            .authorize = SPAN_INIT("https://accounts.google.com/o/oauth2/v2/auth"),
            .scope = SPAN_INIT("https://mail.google.com/"),
            .redirect = SPAN_INIT("http://127.0.0.1"),
            .more = SPAN_INIT("&access_type=offline&prompt=consent"),
            .no_device = SPAN_INIT(NO_DEVICE_GOOGLE),
        },
    [OAUTH_YAHOO] =
        {
            .token = SPAN_INIT("https://api.login.yahoo.com/oauth2/get_token"),
            .authorize = SPAN_INIT("https://api.login.yahoo.com/oauth2/request_auth"),
            .scope = SPAN_INIT("mail-w"),
            .redirect = SPAN_INIT("oob"),
            .no_device = SPAN_INIT(NO_DEVICE_YAHOO),
            .basic = true,
        },
};

const struct oauth_preset *oauth_preset(enum oauth_provider provider)
{
    return &presets[provider];
}
