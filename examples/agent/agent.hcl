# Vault Agent keeps three files fresh in its working directory: headers for PAVE as a configuration for curl, a JWT of
# Avanan's, and both as an env file. Run it there, with VAULT_ADDR set, and role-id and secret-id of an AppRole beside it:
#
#     vault agent -config=agent.hcl

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "role-id"
      secret_id_file_path                 = "secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
}

# While Vault or the vendor is down the files stay as they are, and Agent keeps trying.
template_config {
  exit_on_retry_failure = false
}

template {
  source      = "templates/headers.ctmpl"
  destination = "pave.curl"
  perms       = "0600"
}

template {
  source      = "templates/avanan-jwt.ctmpl"
  destination = "avanan.jwt"
  perms       = "0600"
}

template {
  source      = "templates/env.ctmpl"
  destination = "apisig.env"
  perms       = "0600"
}
