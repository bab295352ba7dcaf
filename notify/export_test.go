package notify

// FieldsOfMessages is for tests that also know the messages of stack.
var FieldsOfMessages = fieldsOfMessages
