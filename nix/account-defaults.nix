# What an account has that services.stackpolicy.users does not name.
{
  linger = true;
  auditFailedActivation = true;
  onFailure = [ ];
}
