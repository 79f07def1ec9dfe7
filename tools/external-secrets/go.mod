module github.com/apisig/vault-plugin-apisig/tools/external-secrets

go 1.26.7

// Only for its custom resource definitions: nothing of it is built. go mod tidy would remove it.
require github.com/external-secrets/external-secrets v1.3.2
