# Vault Agent logs in by an AppRole and keeps the proxy's token in a file. apisig-proxy reads the file again when it changes.
# VAULT_ADDR must be set. The AppRole has the policy ../policies/proxy.hcl, and Agent's user must own its two files:
#
#     umask 077
#     vault auth enable approle
#     vault write auth/approle/role/apisig-proxy token_policies=apisig-proxy token_ttl=1h
#     vault read -format=table -field=role_id auth/approle/role/apisig-proxy/role-id > role-id
#     vault write -f -format=table -field=secret_id auth/approle/role/apisig-proxy/secret-id > secret-id

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "/etc/apisig-agent/role-id"
      secret_id_file_path                 = "/etc/apisig-agent/secret-id"
      remove_secret_id_file_after_reading = false
    }
  }

  sink "file" {
    config = {
      path = "/run/apisig-agent/token"
      mode = 0600
    }
  }
}
