# Vault Agent logs in by an AppRole and keeps the proxy's token in a file. apisig-proxy reads the file again when it changes.
# VAULT_ADDR must be set. The files role-id and secret-id are those of the AppRole, whose policy is ../policies/proxy.hcl. Write them
# under umask 077, and make Agent's user their owner.

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
