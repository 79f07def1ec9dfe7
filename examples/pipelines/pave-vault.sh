#!/bin/sh
# Calls PAVE with headers from Vault. Needs vault, logged in by VAULT_ADDR and VAULT_TOKEN, and curl.
#
#     pave-vault.sh https://openapi.paveapi.com/v1/sessions
#
# Do not add -L to curl: it would send the headers to any host that a redirect names.
set -eu
vault read -field=header_lines apisig/creds/pave/main | curl -fgsS -H @- -- "$1"
