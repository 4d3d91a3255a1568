"""Signs a request with botocore, with the profile from aws_credentials.sh."""

import botocore
from botocore.session import Session

session = Session(profile="acme")
credentials = session.get_credentials()
assert credentials.method == "custom-process", credentials.method
keys = credentials.get_frozen_credentials()
assert keys.access_key == "AKIAIOSFODNN7EXAMPLE", keys.access_key
assert keys.secret_key == "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
assert keys.token is None

url = session.create_client("s3").generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
assert "AKIAIOSFODNN7EXAMPLE" in url, url
print(f"ok      botocore {botocore.__version__}: keys by credential_process, and a request signed with them")
