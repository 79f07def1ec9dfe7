#!/bin/sh
# Calls Avanan, signed by Vault. Needs curl and jq, and vault-curl.sh beside it with what that needs. AVANAN_URL is
# the address of the config's region.
#
#     AVANAN_URL=https://smart-api-production-1-us.avanan.net avanan-curl.sh '/v1.0/msp/usage?year=2026&month=8'
#
# Do not add -L to curl: it would send the headers to any host that a redirect names.
set +x -eu # A trace would show the headers.
# The request string is sent as a form, because Vault's audit log contains the query of a read as plain text.
headers=$("$(dirname -- "$0")/vault-curl.sh" .data.header_lines apisig/sign/avanan/us \
	--data-urlencode "request_string=$1")
# ps does not show a here-document.
curl -fgsS -H @- -- "$AVANAN_URL$1" <<EOF
$headers
EOF
