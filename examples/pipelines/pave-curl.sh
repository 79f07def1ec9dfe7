#!/bin/sh
# Calls PAVE with headers from Vault. Needs curl and jq, and vault-curl.sh beside it with what that needs.
#
#     pave-curl.sh https://openapi.paveapi.com/v1/sessions
#
# Do not add -L to curl: it would send the headers to any host that a redirect names.
set +x -eu # A trace would show the headers.
headers=$("$(dirname -- "$0")/vault-curl.sh" .data.header_lines apisig/creds/pave/main)
# ps does not show a here-document.
curl -fgsS -H @- -- "$1" <<EOF
$headers
EOF
