#!/bin/sh
# Lets the ServiceAccount apisig of a Kubernetes cluster log in to Vault and read what policy.hcl lists. It can be run again.
#
# It needs VAULT_ADDR and the token of an operator, and
#   KUBERNETES_ISSUER  the issuer of the cluster's tokens: kubectl get --raw /.well-known/openid-configuration | jq -r .issuer
#   KUBERNETES_KEY     a file with the public key that they are signed with, in PEM: the API server's --service-account-key-file
#
# If Vault can reach the issuer, as with most hosted clusters, it can fetch the keys itself: write oidc_discovery_url in the place
# of jwt_validation_pubkeys. The role for the External Secrets Operator has a shorter token, because that one logs in again for
# each refresh.
set -eu
here=$(dirname -- "$0")
: "${KUBERNETES_ISSUER:?}" "${KUBERNETES_KEY:?}"

vault policy write apisig-kubernetes "$here/policy.hcl"
methods=$(vault auth list -format=json)
case $methods in
*'"kubernetes/"'*) ;;
*) vault auth enable -path=kubernetes jwt ;;
esac
vault write auth/kubernetes/config bound_issuer="$KUBERNETES_ISSUER" jwt_validation_pubkeys=@"$KUBERNETES_KEY"
vault write auth/kubernetes/role/apisig @"$here/role.json"
vault write auth/kubernetes/role/apisig-external-secrets @"$here/role-external-secrets.json"
