"""EC2: source images, the builder instance, and the image made of it. The only importer of boto3; knows no hosts."""
