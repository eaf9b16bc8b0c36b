"""The HTTP face of the access-code resource: today's SDKs speak to it as they are.
Thin: every rule lives in ``offlinepin.access_codes``."""
