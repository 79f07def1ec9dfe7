# Lets a client sign calls below /v1.0/event/ and /v1.0/search/ for the US region, many in one request, and nothing else.
# Signing one call at a time is another path, which this policy does not open.
#
# Vault compares each request string of the list with allowed_parameters. OpenBao, and Vault before 1.21, compare the list
# as a whole: there, this policy denies every list. avanan-signer-events-only.hcl explains the parameters.
path "apisig/sign/avanan/us/batch" {
  capabilities        = ["update"]
  required_parameters = ["request_strings"]
  allowed_parameters = {
    "request_strings" = ["/v1.0/event/*", "/v1.0/search/*"]
    "unauthorized"    = []
  }
}
