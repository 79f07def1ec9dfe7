# Lets apisig-proxy sign what examples/proxy/apisig-proxy.yml allows: calls below /v1.0/event/ and /v1.0/search/ for the US region,
# and headers for PAVE, of the account main. The proxy limits methods and paths further; this policy is what holds if the
# proxy's token is stolen. avanan-signer-events-only.hcl explains the parameters.
path "apisig/sign/avanan/us" {
  capabilities        = ["update"]
  required_parameters = ["request_string"]
  allowed_parameters = {
    "request_string" = ["/v1.0/event/*", "/v1.0/search/*"]
    "unauthorized"   = []
  }
}
path "apisig/creds/pave/main" {
  capabilities = ["read"]
}
