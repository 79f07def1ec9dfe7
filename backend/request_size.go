package backend

import "github.com/apisig/vault-plugin-apisig/internal/api"

// maxRequest is how many bytes the parameters of one request may have. No path takes as much: the most is what a scheme
// of an earlier version may declare, 63 parameters of 64 KiB. The limit of a path is smaller, but is checked later.
const maxRequest = 4 << 20

// perValue is what a value counts beside its text. A list of many empty texts is large, too.
const perValue = 16

// checkSize refuses parameters that are too large for any path, before anything copies them. They were decoded already:
// only the max_request_size of Vault's listener bounds that.
func checkSize(data map[string]any) error {
	left := maxRequest
	for name, value := range data {
		if left -= len(name); !fits(value, &left) {
			return api.Invalidf("the parameters have more than 4 MiB together")
		}
	}
	return nil
}

// fits takes the size of a value off what is left, and reports whether that was enough. It stops where it was not.
func fits(value any, left *int) bool {
	*left -= perValue
	switch typed := value.(type) {
	case string:
		*left -= len(typed)
	case []any:
		for _, item := range typed {
			if !fits(item, left) {
				return false
			}
		}
	case map[string]any:
		for name, item := range typed {
			if *left -= len(name); !fits(item, left) {
				return false
			}
		}
	}
	return *left >= 0
}
