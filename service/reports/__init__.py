"""What is said of a session after it has ended: figures of its recording, and a page of them."""
