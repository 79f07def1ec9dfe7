# Lets an operator write secrets and settings, but not choose where the engine sends them: configs keep their address,
# and new ones have the vendor's own. So checks do not tell which ports of other hosts, or of Vault's own, are open. A scheme
# can have an address in it.
path "apisig/config/*" {
  capabilities      = ["create", "read", "update", "patch", "list"]
  denied_parameters = { "base_url" = [], "ca_cert" = [], "scheme" = [], "scheme_upgrade" = [] }
}
path "apisig/check/*" {
  capabilities = ["update"]
}
