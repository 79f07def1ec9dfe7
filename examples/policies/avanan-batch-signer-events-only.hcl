# Signs calls of /v1.0/event/ and /v1.0/search/ for the US region, many at once, and nothing else: not one at a time
# either, which is a path of its own. Vault holds each of the list against allowed_parameters; what is said in
# avanan-signer-events-only.hcl holds here too.
path "apisig/sign/avanan/us/batch" {
  capabilities        = ["update"]
  required_parameters = ["request_strings"]
  allowed_parameters = {
    "request_strings" = ["/v1.0/event/*", "/v1.0/search/*"]
  }
}
