#!/bin/sh
# Calls Harmony Email's API at Check Point's Infinity Portal, with headers from Vault. Needs vault, logged in by VAULT_ADDR and
# VAULT_TOKEN, and curl.
#
#     infinity-vault.sh https://cloudinfra-gw-us.portal.checkpoint.com/app/hec-api/v1.0/scopes
#
# Do not add -L to curl: it would send the headers to any host that a redirect names.
set +x -eu # A trace would show the headers.
headers=$(vault read -format=table -field=header_lines apisig/creds/infinity/us)
# ps does not show a here-document.
curl -fgsS -H @- -- "$1" <<EOF
$headers
EOF
