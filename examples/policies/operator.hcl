# Lets an operator write, read and delete configs. A read contains no secret. The policy does not let the operator read
# credentials or sign calls.
path "apisig/config/*" {
  capabilities = ["create", "read", "update", "patch", "delete", "list"]
}
# The catalogue: texts that come with the engine.
path "apisig/schemes/*" {
  capabilities = ["read", "list"]
}
