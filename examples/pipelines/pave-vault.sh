#!/bin/sh
# Calls PAVE with headers from Vault. Needs vault, logged in by VAULT_ADDR and VAULT_TOKEN, and curl.
#
#     pave-vault.sh https://openapi.paveapi.com/v1/sessions
set -eu
vault read -format=json apisig/creds/pave/main |
	sed -n 's/^ *"\(API-[A-Za-z]*\)": "\(.*\)",*$/header = "\1: \2"/p' |
	curl -fgsS -K - -- "$1"
