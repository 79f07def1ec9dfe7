// Command avanan-go calls Avanan, signed by Vault, with an http.Client whose transport does the signing.
//
//	VAULT_ADDR=https://vault.example.com:8200 VAULT_TOKEN=... avanan-go 'https://smart-api-production-1-us.avanan.net/v1.0/scopes'
package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/hashicorp/vault/api"
)

// signer is a transport that sends each request with headers that Vault signed for exactly its URL.
type signer struct {
	vault *api.Client
	next  http.RoundTripper
}

// RoundTrip sends a request. After a 401 it reports that to Vault, which may get a new JWT, and sends the request once more,
// unless its body cannot be sent twice.
func (s signer) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.attempt(request, false)
	if err != nil || response.StatusCode != http.StatusUnauthorized || (request.Body != nil && request.GetBody == nil) {
		return response, err
	}
	_ = response.Body.Close()
	again := request.Clone(request.Context())
	if request.GetBody != nil {
		if again.Body, err = request.GetBody(); err != nil {
			return nil, err
		}
	}
	return s.attempt(again, true)
}

func (s signer) attempt(request *http.Request, unauthorized bool) (*http.Response, error) {
	signed, err := s.sign(request, unauthorized)
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close()
		}
		return nil, err
	}
	return s.next.RoundTrip(signed)
}

// sign returns a copy of a request with the headers from Vault. It refuses a request to any other address than the config's.
func (s signer) sign(request *http.Request, unauthorized bool) (*http.Request, error) {
	parameters := map[string]any{"request_string": request.URL.RequestURI()}
	if unauthorized {
		parameters["unauthorized"] = true
	}
	answer, err := s.vault.Logical().WriteWithContext(request.Context(), "apisig/sign/avanan/us", parameters)
	if err != nil {
		return nil, err
	}
	if answer == nil {
		return nil, errors.New("the answer of Vault is empty")
	}
	headers, is := answer.Data["headers"].(map[string]any)
	if !is {
		return nil, errors.New("the answer of Vault has no headers")
	}
	if url := answer.Data["url"]; url != request.URL.String() {
		return nil, fmt.Errorf("the signature is for %v, which is another call: nothing was sent", url)
	}
	signed := request.Clone(request.Context())
	for name, value := range headers {
		signed.Header.Set(name, fmt.Sprint(value))
	}
	return signed, nil
}

// refuseRedirect is a client's CheckRedirect. The vendor must not choose which other call is signed.
func refuseRedirect(request *http.Request, _ []*http.Request) error {
	return fmt.Errorf("refused to follow a redirect to %s", request.URL)
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url string) error {
	vault, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		return err
	}
	client := http.Client{Transport: signer{vault: vault, next: http.DefaultTransport}, CheckRedirect: refuseRedirect}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
