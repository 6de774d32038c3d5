"""The methods that tell classes apart, a file each."""
