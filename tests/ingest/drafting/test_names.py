"""Names of columns as shop systems and data sets write them."""

from __future__ import annotations

import pytest

from crm_spark.ingest.drafting.names import rank, roles_of, squeezed

# System by system: its names, and what they are.
NAMES = {
    "Shopify": {
        "Name": "order_id",
        "Email": "customer_id",
        "Created at": "ordered_at",
        "Lineitem sku": "product_id",
        "Lineitem quantity": "quantity",
        "Lineitem price": "unit_price",
        "Lineitem discount": "discount_amount",
        "Financial Status": "status",
        "Currency": "currency",
    },
    "WooCommerce": {
        "order_number": "order_id",
        "customer_user": None,
        "billing_email": "customer_id",
        "date_created": "ordered_at",
        "line_total": "amount",
    },
    "Magento": {
        "increment_id": "order_id",
        "customer_email": "customer_id",
        "qty_ordered": "quantity",
        "row_total": "amount",
        "created_at": "ordered_at",
    },
    "PrestaShop": {
        "id_order": "order_id",
        "id_customer": "customer_id",
        "date_add": "ordered_at",
        "product_reference": "product_id",
        "product_quantity": "quantity",
        "total_price_tax_incl": "amount",
        "unit_price_tax_incl": "unit_price",
        "id_order_detail": "line_id",
    },
    "Square": {
        "Transaction ID": "order_id",
        "Net Sales": "amount",
        "Qty": "quantity",
        "Discounts": "discount_amount",
        "Location": "store_id",
        "SKU": "product_id",
    },
    "Stripe": {"id": "order_id", "Created (UTC)": "ordered_at", "Amount": "amount"},
    "Amazon": {
        "amazon-order-id": "order_id",
        "purchase-date": "ordered_at",
        "quantity-purchased": "quantity",
        "item-price": "unit_price",
        "order-item-id": "line_id",
        "sales-channel": "channel",
    },
    "eBay": {
        "Buyer Username": "customer_id",
        "Order Number": "order_id",
        "Sold For": "unit_price",
        "Sale Date": "ordered_at",
        "Custom Label": "product_id",
    },
    "Etsy": {"Sale Date": "ordered_at", "Buyer": "customer_id", "Listing ID": "product_id"},
    "Lightspeed": {"Receipt Number": "order_id", "Customer Code": "customer_id"},
    "Odoo": {
        "Order Reference": "order_id",
        "Order Lines/Product": "product_id",
        "Order Lines/Quantity": "quantity",
        "Order Lines/Subtotal": "amount",
        "partner_id": "customer_id",
        "date_order": "ordered_at",
        "product_uom_qty": "quantity",
        "price_unit": "unit_price",
    },
    "SAP": {
        "VBELN": "order_id",
        "KUNNR": "customer_id",
        "AUDAT": "ordered_at",
        "MATNR": "product_id",
        "KWMENG": "quantity",
        "NETWR": "amount",
        "WAERK": "currency",
        "POSNR": "line_id",
    },
    "Online Retail": {
        "InvoiceNo": "order_id",
        "Invoice": "order_id",
        "StockCode": "product_id",
        "UnitPrice": "unit_price",
        "CustomerID": "customer_id",
        "Customer ID": "customer_id",
        "InvoiceDate": "ordered_at",
    },
    "Olist": {
        "customer_unique_id": "customer_id",
        "order_purchase_timestamp": "ordered_at",
        "order_item_id": "line_id",
        "price": "unit_price",
    },
    "Instacart": {
        "user_id": "customer_id",
        "days_since_prior_order": None,
        "order_hour_of_day": None,
    },
    "Complete Journey": {
        "household_id": "customer_id",
        "basket_id": "order_id",
        "sales_value": "amount",
        "coupon_match_disc": "discount_amount",
        "transaction_timestamp": "ordered_at",
    },
    "Retail Rocket": {
        "visitorid": "customer_id",
        "transactionid": "order_id",
        "itemid": "product_id",
        "timestamp": "ordered_at",
        "event": "event",
    },
    "Superstore": {
        "Order Date": "ordered_at",
        "Ship Date": None,
        "Sales": "amount",
        "Profit": None,
    },
    "German": {
        "Kundennummer": "customer_id",
        "Bestellnummer": "order_id",
        "Bestelldatum": "ordered_at",
        "Artikelnummer": "product_id",
        "Menge": "quantity",
        "Einzelpreis": "unit_price",
        "Gesamtpreis": "amount",
        "Währung": "currency",
    },
    "French": {
        "N° client": "customer_id",
        "Numéro commande": "order_id",
        "Date de commande": None,
        "Date commande": "ordered_at",
        "Quantité": "quantity",
        "Prix unitaire": "unit_price",
        "Montant TTC": "amount",
    },
    "Spanish": {
        "Código cliente": "customer_id",
        "Nº pedido": "order_id",
        "Fecha pedido": "ordered_at",
        "Cantidad": "quantity",
        "Importe": "amount",
    },
}


@pytest.mark.parametrize("system", NAMES)
def test_names_of_a_system_are_known(system: str) -> None:
    found = {name: roles_of(name)[:1] for name in NAMES[system]}
    right = {name: [role] if role else [] for name, role in NAMES[system].items()}
    assert found == right


def test_case_accents_signs_and_blanks_do_not_matter() -> None:
    assert squeezed("Order #") == "orderno"
    assert {squeezed(name) for name in ("Customer ID", "customer_id", "CustomerId")} == {
        "customerid"
    }


def test_units_at_the_end_are_no_part_of_a_name() -> None:
    assert rank("quantity", "Qty (pcs)") is not None
    assert rank("amount", "Total %") is not None
    assert rank("amount", "Amount [EUR]") is not None


def test_a_whole_name_is_better_than_its_last_part() -> None:
    whole, last = rank("customer_id", "customer.id"), rank("product_id", "item.product_id")
    assert whole is not None
    assert last is not None
    assert whole < 1000 < last


def test_better_names_come_first() -> None:
    names = ["Email", "customer", "Customer ID", "customer_unique_id"]
    ranks = {name: rank("customer_id", name) or 0 for name in names}
    assert sorted(names, key=lambda name: -ranks[name]) == names
