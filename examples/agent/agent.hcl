# Vault Agent keeps five files fresh in its working directory: pave.headers with the headers for PAVE, avanan.jwt with
# Avanan's JWT, infinity.headers with the Infinity Portal's token, oauth2.headers with the headers of a declared API that wants
# a login (docs/schemes.md), and apisig.env with the first three as environment variables. Remove what you do not use, here and
# in templates/env.ctmpl. Start Agent there, with VAULT_ADDR set and with the files role-id and secret-id of an AppRole
# (docs/agent.md says how to make them):
#
#     vault agent -config=agent.hcl
#
# Read the files again for each call, because the headers change every few minutes:
#
#     curl -fsS -H @pave.headers https://openapi.paveapi.com/v1/sessions
#
# infinity.headers has the header Authorization only. x-av-req-id is a fresh UUID for each call, so it cannot come from a file:
#
#     curl -fsS -H @infinity.headers -H "x-av-req-id: $(uuidgen -r)" \
#         https://cloudinfra-gw-us.portal.checkpoint.com/app/hec-api/v1.0/scopes

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "role-id"
      secret_id_file_path                 = "secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
}

# While Vault or the vendor is down, Agent leaves the files as they are and keeps trying.
template_config {
  exit_on_retry_failure = false
}

template {
  source      = "templates/headers.ctmpl"
  destination = "pave.headers"
  perms       = "0600"
}

template {
  source      = "templates/avanan-jwt.ctmpl"
  destination = "avanan.jwt"
  perms       = "0600"
}

template {
  source      = "templates/infinity-headers.ctmpl"
  destination = "infinity.headers"
  perms       = "0600"
}

template {
  source      = "templates/oauth2-headers.ctmpl"
  destination = "oauth2.headers"
  perms       = "0600"
}

template {
  source      = "templates/env.ctmpl"
  destination = "apisig.env"
  perms       = "0600"
}
