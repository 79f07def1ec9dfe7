# Vault Proxy logs in by an AppRole and adds its token to the requests of an application that knows no Vault token:
#
#     vault proxy -config=vault-proxy.hcl
#     curl -fsS http://127.0.0.1:8100/v1/apisig/creds/pave/main
#
# Its cache keeps no answer of the engine, so each read is a read of Vault: use the headers for ttl seconds, and a token until its
# lease ends. Every local process can use the listener.
auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "role-id"
      secret_id_file_path                 = "secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
}

api_proxy {
  use_auto_auth_token = "force"
}

cache {}

listener "tcp" {
  address     = "127.0.0.1:8100"
  tls_disable = true
}
