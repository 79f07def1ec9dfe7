# Lets an operator write secrets and settings, but not choose where the engine sends them: configs keep their address,
# and new ones have the vendor's own. So checks do not tell which ports of other hosts, or of Vault's own, are open.
path "apisig/config/*" {
  capabilities      = ["create", "read", "update", "patch", "list"]
  denied_parameters = { "base_url" = [], "ca_cert" = [] }
}
# A scheme can have an address of its own, which a login would be sent to. So these are for operators alone.
path "apisig/config/custom/*" {
  capabilities = ["read", "list"]
}
path "apisig/check/*" {
  capabilities = ["update"]
}
