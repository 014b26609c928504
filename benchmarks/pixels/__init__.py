"""How far logistic regression of the pixels gets on Fashion-MNIST, and what its files hold."""
