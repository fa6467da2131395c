package receipts

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

var address = regexp.MustCompile(`http://\S+`)

// startMikan starts a node on a free port, waits until it is ready, and ends it with the test. It gives its endpoint.
func startMikan(t *testing.T) string {
	t.Helper()
	command := strings.Fields(os.Getenv("MIKAN_COMMAND"))
	if len(command) == 0 {
		command = []string{"mikan"}
	}
	node := exec.Command(command[0], append(command[1:], "up", "--ephemeral", "--port", "0")...)
	node.Stderr = os.Stderr
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = node.Process.Signal(syscall.SIGTERM)
		_ = node.Wait()
	})
	// Its first line names the endpoint; there is none when it ended instead.
	line, err := bufio.NewReader(out).ReadString('\n')
	endpoint := address.FindString(line)
	if endpoint == "" {
		t.Fatal(fmt.Errorf("%s said %q: %w", node, line, err))
	}
	return endpoint
}
