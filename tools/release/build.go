package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// build writes a release into an empty folder beside dist, and puts it in dist's place once it is whole.
func build(source, dist, version, ldflags string) error {
	if err := checkReplaceable(dist); err != nil {
		return err
	}
	changelog, err := os.ReadFile(filepath.Join(source, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	text, err := notes(string(changelog), version)
	if err != nil {
		return err
	}
	unfinished := dist + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.MkdirAll(unfinished, 0o755); err != nil {
		return err
	}
	for _, on := range platforms {
		fmt.Println("building for", on)
		if err := compile(source, unfinished, version, ldflags, on); err != nil {
			return err
		}
	}
	fmt.Println("writing images and sums")
	var sums strings.Builder
	for _, program := range programs {
		digests, err := writeImage(unfinished, program, version)
		if err != nil {
			return err
		}
		sums.WriteString(digests)
	}
	if err := os.WriteFile(filepath.Join(unfinished, imageSumsFile), []byte(sums.String()), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(unfinished, notesFile), []byte(text), 0o644); err != nil {
		return err
	}
	if err := writeSums(unfinished); err != nil {
		return err
	}
	if err := os.RemoveAll(dist); err != nil {
		return err
	}
	return os.Rename(unfinished, dist)
}

// checkReplaceable requires that a folder is an older release, or does not exist. Anything else would be lost.
func checkReplaceable(dist string) error {
	if _, err := os.Stat(dist); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dist, sumsFile)); err != nil {
		return fmt.Errorf("%s exists and is no release: %w", dist, err)
	}
	return nil
}

// compile builds every program for a platform, and lists what is in each.
func compile(source, directory, version, ldflags string, on platform) error {
	output, err := os.MkdirTemp(directory, "build")
	if err != nil {
		return err
	}
	defer os.RemoveAll(output)
	to := output + string(filepath.Separator)
	arguments := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", to}
	for _, program := range programs {
		arguments = append(arguments, "./cmd/"+program.name)
	}
	// What a developer may have set must not change the result.
	environment := append(os.Environ(),
		"GOOS="+on.os,
		"GOARCH="+on.arch,
		"CGO_ENABLED=0",
		"GOFLAGS=-mod=readonly",
		"GOWORK=off",
		"GOAMD64=v1",
		"GOARM64=v8.0",
		"GOFIPS140=off",
		"GOEXPERIMENT=",
	)
	if err := command(source, environment, "go", arguments...); err != nil {
		return err
	}
	for _, program := range programs {
		binary := filepath.Join(directory, binaryFile(program.name, version, on))
		if err := os.Rename(filepath.Join(output, program.name), binary); err != nil {
			return err
		}
		// Whatever the umask was.
		if err := os.Chmod(binary, 0o755); err != nil {
			return err
		}
		if err := writeSBOM(binary, filepath.Join(directory, sbomFile(program.name, version, on)), version); err != nil {
			return err
		}
	}
	return nil
}

// command runs a program in a folder. What it prints is part of the error if it fails.
func command(directory string, environment []string, name string, args ...string) error {
	run := exec.CommandContext(context.Background(), name, args...)
	run.Dir, run.Env = directory, environment
	if printed, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", run, err, printed)
	}
	return nil
}
