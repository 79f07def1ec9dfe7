# Lets a client sign calls below /v1.0/event/ and /v1.0/search/ for the US region, and nothing else.
#
# Keep required_parameters: without it, a request that leaves out request_string would pass allowed_parameters. The engine
# rejects request strings that would leave the prefix (.. or //, encoded or not) or sign a second call. The signature does
# not cover the method and the body: a client that can sign the path of an event can send any method to it.
#
# unauthorized reports a 401 from Avanan, for the retry after it. The empty list allows any value.
path "apisig/sign/avanan/us" {
  capabilities        = ["read", "update"]
  required_parameters = ["request_string"]
  allowed_parameters = {
    "request_string" = ["/v1.0/event/*", "/v1.0/search/*"]
    "unauthorized"   = []
  }
}
