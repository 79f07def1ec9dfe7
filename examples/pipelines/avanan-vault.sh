#!/bin/sh
# Calls Avanan, signed by Vault. Needs vault, logged in by VAULT_ADDR and VAULT_TOKEN, and curl.
#
#     avanan-vault.sh '/v1.0/msp/usage?year=2026&month=8'
set -eu
# vault writes & as \u0026 in JSON.
vault write -format=json apisig/sign/avanan/us request_string="$1" |
	sed -n -e 's/\\u0026/\&/g' -e 's/^ *"\(x-av-[a-z-]*\)": "\(.*\)",*$/header = "\1: \2"/p' \
		-e 's/^ *"url": "\(.*\)",*$/url = "\1"/p' |
	curl -fgsS -K -
