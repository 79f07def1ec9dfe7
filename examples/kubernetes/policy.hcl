# What applications in Kubernetes can read. Leave out what yours do not need: each path is an account.
path "apisig/creds/pave/main" {
  capabilities = ["read"]
}
path "apisig/creds/avanan/us" {
  capabilities = ["read"]
}
path "apisig/creds/infinity/us" {
  capabilities = ["read"]
}
path "apisig/creds/custom/orders" {
  capabilities = ["read"]
}
path "apisig/creds/custom/main" {
  capabilities = ["read"]
}

# When a VaultDynamicSecret is deleted, the operator revokes its lease. Without this the lease ends by itself.
path "sys/leases/revoke" {
  capabilities = ["update"]
}
