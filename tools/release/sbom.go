package main

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/CycloneDX/cyclonedx-go"
)

// binarySum is the name of the property by which a list names its binary.
const binarySum = "cdx:gomod:binary:hash:SHA-256"

// writeSBOM writes the CycloneDX list of what is in a binary: its modules and the version of Go, as the binary itself
// names them.
func writeSBOM(binary, file, version string) error {
	err := command("", os.Environ(), "go", "tool", "cyclonedx-gomod", "bin",
		"-json", "-noserial", "-notimestamp", "-std", "-version", version, "-output", file, binary)
	if err != nil {
		return err
	}
	list, err := readSBOM(file)
	if err != nil {
		return err
	}
	// The hashes of cyclonedx-gomod itself differ from machine to machine, because each builds its own.
	if tools := list.Metadata.Tools; tools != nil && tools.Tools != nil {
		for i := range *tools.Tools {
			(*tools.Tools)[i].Hashes = nil
		}
	}
	output, err := os.Create(file)
	if err != nil {
		return err
	}
	encoder := cyclonedx.NewBOMEncoder(output, cyclonedx.BOMFileFormatJSON).SetPretty(true)
	return errors.Join(encoder.EncodeVersion(list, cyclonedx.SpecVersion1_6), output.Close())
}

func readSBOM(file string) (*cyclonedx.BOM, error) {
	input, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer input.Close()
	list := &cyclonedx.BOM{}
	if err := cyclonedx.NewBOMDecoder(input, cyclonedx.BOMFileFormatJSON).Decode(list); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	about := list.Metadata
	if about == nil || about.Component == nil || about.Properties == nil || list.Components == nil {
		return nil, fmt.Errorf("%s names no program or no modules", file)
	}
	return list, nil
}

// checkSBOM requires that a list is that of a binary, by its sum, and names exactly the modules that go version -m
// says.
func checkSBOM(binary, sum, file, version string) error {
	list, err := readSBOM(file)
	if err != nil {
		return err
	}
	if got := list.Metadata.Component.Version; got != version {
		return fmt.Errorf("%s is of version %s, not %s", file, got, version)
	}
	if !slices.Contains(*list.Metadata.Properties, cyclonedx.Property{Name: binarySum, Value: sum}) {
		return fmt.Errorf("%s does not name the sha256 of %s", file, filepath.Base(binary))
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("%s: %w", binary, err)
	}
	want := []string{"std " + info.GoVersion}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		want = append(want, module.Path+" "+module.Version)
	}
	var got []string
	for _, component := range *list.Components {
		got = append(got, component.Name+" "+component.Version)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		return fmt.Errorf("%s has the modules %q, but %s was built from %q", file, got, filepath.Base(binary), want)
	}
	return nil
}
