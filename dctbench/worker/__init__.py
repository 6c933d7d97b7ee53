"""The child process that measures one case. With attention/, transforms/ and tasks/ the only place for torch."""
