package client_test

import (
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/api"

	"github.com/apisig/vault-plugin-apisig/client"
)

// A call to Avanan is signed by Vault. The application has a Vault token, and nothing of Avanan's.
func ExampleTransport() {
	vault, err := api.NewClient(api.DefaultConfig()) // VAULT_ADDR, VAULT_TOKEN and the like
	if err != nil {
		fmt.Println(err)
		return
	}
	httpClient := http.Client{Transport: &client.Transport{Vault: vault, Path: "apisig/sign/avanan/us"}}
	response, err := httpClient.Get("https://smart-api-production-1-us.avanan.net/v1.0/scopes")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
}

// Headers for PAVE are read once, and again when they are old.
func ExampleTransport_credentials() {
	vault, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		fmt.Println(err)
		return
	}
	httpClient := http.Client{Transport: &client.Transport{Vault: vault, Path: "apisig/creds/pave/main"}}
	for range 2 {
		response, err := httpClient.Get("https://openapi.paveapi.com/v1/sessions")
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = response.Body.Close()
	}
}
