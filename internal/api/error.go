package api

import (
	"errors"
	"fmt"
	"strings"
)

// ErrBusy is the error of a reader whose time ended while others had what it needs.
var ErrBusy = errors.New("too many calls are being signed with private keys; try again")

// Invalid is the caller's mistake: its text says what to do about it.
type Invalid struct{ Text string }

func (e *Invalid) Error() string { return e.Text }

// Invalidf makes an Invalid.
func Invalidf(format string, args ...any) error {
	return &Invalid{fmt.Sprintf(format, args...)}
}

// InputError is what is wrong with one input of a reader.
type InputError struct {
	// Input is its name, and Fault is worded to follow that.
	Input, Fault string
}

func (e *InputError) Error() string { return e.Input + " " + e.Fault }

// Accepts says which parameters there are.
func Accepts(parameters []string) string {
	if len(parameters) == 0 {
		return "this takes no parameters"
	}
	return "this takes " + strings.Join(parameters, ", ")
}
