package scheme

import (
	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/schemes"
)

// The fields of a config that are about the catalogue.
var (
	schemeName = api.Field{
		Name: "scheme_name", Learned: true, OmitEmpty: true,
		Help: "Name that the scheme has in the catalogue. Absent if the scheme was written as a text.",
	}
	schemeUpgrade = api.Field{
		Name: "scheme_upgrade", Kind: api.Flag, Default: false, Unstored: true,
		Help: "Whether the write takes the catalogue's scheme of the same name in place of the config's copy. It then " +
			"needs every secret and field. It is not stored itself.",
	}
)

// catalogue is that of package schemes.
func catalogue() *api.Catalogue {
	names := func(name, help string) api.Output {
		return api.Output{Name: name, Kind: api.OutputTexts, Help: help}
	}
	return &api.Catalogue{
		Path:     "schemes",
		Names:    schemes.Names(),
		Text:     schemes.Text,
		Describe: describe,
		Outputs: []api.Output{
			{Name: "scheme", Help: "The text. Its comments say what is signed, and what is not covered."},
			{Name: "title", Help: "What the scheme is for."},
			{Name: "documentation", Help: "The vendor's page."},
			{Name: "base_url", Optional: true, Help: "Address of the API; absent if it has more than one."},
			names("secrets", "Names of the secrets, which are parameters of a config."),
			names("fields", "Names of the fields, which are parameters of a config too, and public."),
			names("request", "Names of the parameters of sign/<vendor>/<name>; none if a config serves creds/<vendor>/<name>."),
			{
				Name: "login", Kind: api.OutputFlag,
				Help: "Whether the engine logs in to get a token or another value, which all readers of a config share.",
			},
			{Name: "write", Help: "A command that stores a config, with made-up values, for a mount at apisig/."},
			{Name: "use", Help: "A command that signs a call or reads headers."},
		},
		Name:    schemeName,
		Upgrade: schemeUpgrade,
	}
}

// describe is what a read of the catalogue returns of a scheme.
func describe(name string) (map[string]any, error) {
	text := schemes.Text(name)
	s, err := Parse(text)
	if err != nil {
		return nil, err
	}
	about := schemes.AboutOf(text)
	answer := map[string]any{
		"scheme":        text,
		"title":         about.Title,
		"documentation": about.Documentation,
		"secrets":       s.Secrets(),
		"fields":        s.Fields(),
		"request":       s.Request(),
		"login":         s.HasLogin(),
		"write":         about.Write,
		"use":           about.Use,
	}
	if baseURL := s.BaseURL(); baseURL != "" {
		answer["base_url"] = baseURL
	}
	return answer, nil
}
