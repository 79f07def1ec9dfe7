# Writes, reads (without their secrets) and deletes configs, and uses none of them: no credentials, no signatures.
path "apisig/config/*" {
  capabilities = ["create", "read", "update", "patch", "delete", "list"]
}
