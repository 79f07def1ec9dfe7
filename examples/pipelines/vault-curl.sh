#!/bin/sh
# Asks Vault and prints one field of its answer, without the vault command. Needs curl and jq. VAULT_ADDR, VAULT_TOKEN,
# VAULT_NAMESPACE, VAULT_CACERT and VAULT_CAPATH mean what they mean to vault. What follows the path goes to curl.
#
#     vault-curl.sh .data.header_lines apisig/creds/pave/main
#     vault-curl.sh .data.header_lines apisig/sign/avanan/us --data-urlencode request_string=/v1.0/scopes
#
# If Vault refuses, it prints why, and fails.
set +x -eu # A trace would show the token.
field=$1 path=$2
shift 2

# curl takes one file, where vault takes every file of VAULT_CAPATH.
cacert=${VAULT_CACERT:-}
if [ -z "$cacert" ] && [ -n "${VAULT_CAPATH:-}" ]; then
	cacert=$(mktemp)
	trap 'rm -f -- "$cacert"' EXIT
	find -L "$VAULT_CAPATH" -type f -exec cat {} + >"$cacert"
fi

# ps does not show a here-document. curl sends no header that is empty.
curl -gsS ${cacert:+--cacert "$cacert"} "$@" -H @/dev/fd/3 -- "${VAULT_ADDR%/}/v1/$path" 3<<EOF |
X-Vault-Token: ${VAULT_TOKEN:-}
X-Vault-Namespace: ${VAULT_NAMESPACE:-}
EOF
	jq -er "$field // error(\"Vault answered \(.errors)\")"
