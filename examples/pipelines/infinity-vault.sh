#!/bin/sh
# Calls Harmony Email's API at Check Point's Infinity Portal, with headers from Vault. Needs vault, logged in by VAULT_ADDR and
# VAULT_TOKEN, and curl.
#
#     infinity-vault.sh https://cloudinfra-gw-us.portal.checkpoint.com/app/hec-api/v1.0/scopes
#
# Do not add -L to curl: it would send the headers to any host that a redirect names.
set -eu
vault read -field=header_lines apisig/creds/infinity/us | curl -fgsS -H @- -- "$1"
